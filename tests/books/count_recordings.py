"""Counts, straight from the raw recordings, what the books must say after importing them.

Independent of the importers: reads only the files, with pandas, and knows nothing of batches, devices or time zones.

Key of a reading, per person: (stream, wall-clock start, wall-clock end, place), where
  stream  names what was measured and by what kind of device (two trackers of one person are two streams),
  start   is the local stamp as written; a bare date for what is about a day,
  end     is empty for a spot value, else the local end,
  place   is body region + side for pain, the questionnaire for a score, empty otherwise.
A version is a (key, value) that came with an export later than every other value of that key: two values of one key from one
file are one version and one conflict. The export of a value is the last day its own file speaks of.

Not readings: energy, distance, floors, intensity levels, body battery, button presses, minima and maxima of a day,
buckets without a count, stress levels below zero (the vendor's "not measured"), stages of a night without a segment,
answers that were not given, a week without an injury.

A stream's name begins with its measure; for each set the rows are also counted by measure.

Usage: count_recordings.py DATA_DIR [SET]…   (the folder that holds the sets; all that are there, unless some are named)
"""

import ast
import glob
import gzip
import json
import os
import sys

import pandas as pd

COLUMNS = ["person", "stream", "start", "end", "place", "value", "export"]


def table(person, stream, start, value, *, end="", place=""):
    """One row for each reading of one file; the file's last day is its export."""
    rows = pd.DataFrame({"person": person, "stream": stream, "start": start, "end": end, "place": place, "value": value})
    rows = rows.dropna(subset=["start", "value"])
    day = pd.to_datetime(rows["start"], format="ISO8601").dt.strftime("%Y%m%d")
    rows["export"] = day.max() if len(rows) else ""
    return rows


def same_export(parts):
    """Readings of several streams that stand in one file share its export date."""
    rows = pd.concat(parts, ignore_index=True)
    rows["export"] = rows["export"].max()
    return rows


def iso(stamps):
    return stamps.dt.strftime("%Y-%m-%dT%H:%M:%S")


def whole_day(days):
    days = days.dt.normalize()
    return iso(days), iso(days + pd.Timedelta(days=1))


def stamps(column):
    return pd.to_datetime(column, format="mixed", dayfirst=False)


# ---- fitbit_furberg2016 ----------------------------------------------------------------------------------------------


def fitbit_daily(path):
    raw = pd.read_csv(path)
    start, end = whole_day(stamps(raw["ActivityDate"]))
    active = raw["VeryActiveMinutes"] + raw["FairlyActiveMinutes"]
    columns = {"steps": raw["TotalSteps"], "sedentary": raw["SedentaryMinutes"], "active": active}
    return same_export([table(raw["Id"], name, start, value.astype(float), end=end) for name, value in columns.items()])


def fitbit_hourly(path):
    raw = pd.read_csv(path)
    hour = pd.to_datetime(raw["ActivityHour"], format="%m/%d/%Y %I:%M:%S %p")
    return table(raw["Id"], "steps", iso(hour), raw["StepTotal"].astype(float), end=iso(hour + pd.Timedelta(hours=1)))


def fitbit_minutes(path):
    raw = pd.read_csv(path)
    long = raw.melt(id_vars=["Id", "ActivityHour"], var_name="minute", value_name="steps")
    hour = pd.to_datetime(long["ActivityHour"], format="%m/%d/%Y %I:%M:%S %p")
    start = hour + pd.to_timedelta(long["minute"].str.removeprefix("Steps").astype(int), unit="min")
    return table(long["Id"], "steps", iso(start), long["steps"].astype(float), end=iso(start + pd.Timedelta(minutes=1)))


def fitbit_heart(path):
    raw = pd.read_csv(path)
    return table(raw["Id"], "heart", iso(pd.to_datetime(raw["Time"])), raw["Value"].astype(float))


def fitbit_sleep(path):
    raw = pd.read_csv(path)
    start, end = whole_day(stamps(raw["SleepDay"]))
    return table(raw["Id"], "sleep", start, raw["TotalMinutesAsleep"].astype(float), end=end)


def fitbit_weight(path):
    raw = pd.read_csv(path)
    at = iso(pd.to_datetime(raw["LogId"], unit="ms"))
    # The two exports print the same 32-bit weight with 13 and with 8 decimals.
    return same_export([table(raw["Id"], "weight", at, raw["WeightKg"].round(8)), table(raw["Id"], "fat", at, raw["Fat"].astype(float))])


FITBIT = {
    "dailyActivity_merged.csv": fitbit_daily,
    "hourlySteps_merged.csv": fitbit_hourly,
    "minuteStepsWide_merged.csv": fitbit_minutes,
    "heartrate_seconds_merged.csv.gz": fitbit_heart,
    "sleepDay_merged.csv": fitbit_sleep,
    "weightLogInfo_merged.csv": fitbit_weight,
}


def fitbit(folder):
    paths = sorted(glob.glob(os.path.join(folder, "dev", "export*", "*")))
    return [FITBIT[os.path.basename(path)](path) for path in paths if os.path.basename(path) in FITBIT]


# ---- myaiguide -------------------------------------------------------------------------------------------------------


def diary_by_region(person, path):
    raw = pd.read_csv(path, skiprows=1)
    raw[["year", "month", "day"]] = raw[["year", "month", "day"]].ffill().astype(int)
    day = pd.to_datetime(raw[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    return table(person, "pain", day, raw["intensity"].astype(float), place=raw["region"] + "/" + raw["side"].fillna(""))


def diary_by_name(person, path):
    raw = pd.read_csv(path)
    about = pd.to_datetime(
        dict(year=raw["startyear"].replace(0, pd.NA), month=raw["startmonth"], day=raw["startday"]), errors="coerce"
    )
    start, place = about.dt.strftime("%Y-%m-%d"), raw["name"]
    if "date" in raw:
        entered = pd.to_datetime(raw["date"])
        about = about.fillna(entered.dt.normalize())
        same_day = entered.dt.normalize() == about
        start = about.dt.strftime("%Y-%m-%d").mask(same_day, iso(entered))
        # Entered on another day: the moment of entry tells it from that day's other reports.
        place = place.mask(~same_day, place + "@" + iso(entered))
    stream = raw["name"].eq("happiness").map({True: "mood", False: "pain"})
    return table(person, stream, start, raw["intensity"].astype(float), place=place)


def fitbit_month(person, path):
    raw = pd.read_csv(path, skiprows=1, dtype=str)
    raw.columns = ["date", "kcal", "steps", "km", "floors", "sedentary", "light", "fairly", "very", "kcal_active"]
    whole = lambda name: raw[name].str.replace(r"[^0-9]", "", regex=True).astype(float)
    start, end = whole_day(pd.to_datetime(raw["date"], format="%d-%m-%Y"))
    columns = {"steps": whole("steps"), "sedentary": whole("sedentary"), "active": whole("fairly") + whole("very")}
    return same_export([table(person, "fitbit " + name, start, value, end=end) for name, value in columns.items()])


def fitbit_days(person, path):
    raw = pd.DataFrame(json.load(open(path))["activities-steps"])
    start, end = whole_day(pd.to_datetime(raw["dateTime"]))
    return table(person, "fitbit steps", start, raw["value"].astype(float), end=end)


def google_fit(person, path):
    rows = []
    for bucket in json.load(open(path))["bucket"]:
        counts = [value["intVal"] for part in bucket["dataset"] for point in part["point"] for value in point["value"]]
        if counts:
            rows.append((int(bucket["startTimeMillis"]), int(bucket["endTimeMillis"]), float(sum(counts))))
    raw = pd.DataFrame(rows, columns=["start", "end", "steps"])
    at = lambda column: iso(pd.to_datetime(raw[column], unit="ms"))
    return table(person, "google steps", at("start"), raw["steps"], end=at("end"))


def garmin(person, path):
    raw = pd.json_normalize(json.load(open(path)))
    start, end = whole_day(pd.to_datetime(raw["calendarDate"]))
    intensity = raw["moderateIntensityMinutes"] + raw["vigorousIntensityMinutes"]
    parts = [
        table(person, "garmin steps", start, raw["totalSteps"].astype(float), end=end),
        table(person, "garmin active", start, intensity.astype(float), end=end),
        table(person, "garmin resting", raw["calendarDate"], raw["restingHeartRate"].astype(float)),
        table(
            person,
            "garmin breathing",
            iso(pd.to_datetime(raw["respiration.latestRespirationTimeGMT"])),
            raw["respiration.latestRespirationValue"].where(lambda rate: rate > 0),
        ),
    ]
    levels = raw[["calendarDate", "allDayStress.aggregatorList"]].explode("allDayStress.aggregatorList")
    level = levels["allDayStress.aggregatorList"].str.get("averageStressLevel").astype(float)
    kind = levels["allDayStress.aggregatorList"].str.get("type")
    parts.append(table(person, "garmin stress", levels["calendarDate"], level.where(level >= 0), place=kind))
    return same_export(parts)


MYAIGUIDE = [
    ("pain.csv", diary_by_region),
    ("Participant*Pain*.csv", diary_by_name),
    ("fitbit_monthly/*.csv", fitbit_month),
    ("*articipant*itbit.json", fitbit_days),
    ("GoogleFit*.json", google_fit),
    ("garmin_uds/*.json", garmin),
]


def myaiguide(folder):
    parts = []
    for home in sorted(glob.glob(os.path.join(folder, "dev", "participant*"))):
        for pattern, read in MYAIGUIDE:
            parts += [read(os.path.basename(home), path) for path in sorted(glob.glob(os.path.join(home, pattern)))]
    return parts


# ---- welltory_covid_hrv ------------------------------------------------------------------------------------------------


def welltory_pressure(path):
    raw = pd.read_csv(path)
    start = iso(pd.to_datetime(raw["measurement_datetime"].str.replace("  ", " ")))
    value = raw["systolic"].map(float).map(str) + "/" + raw["diastolic"].map(float).map(str)
    rows = table(raw["user_code"], "blood_pressure", start, value)
    # Cannot be a measurement: bounds of either pressure, or of their difference.
    plausible = raw["systolic"].between(40, 300) & raw["diastolic"].between(10, 200)
    rows["refused"] = ~(plausible & (raw["systolic"] - raw["diastolic"] >= 10))
    return rows


def welltory_hrv(path):
    raw = pd.read_csv(path)
    begin = pd.to_datetime(raw["measurement_datetime"])
    person, start = raw["user_code"], iso(begin)
    parts = [table(person, name, start, raw[column].astype(float)) for name, column in WELLTORY_HRV.items()]
    for column in ["how_feel", "how_mood", "how_sleep"]:
        parts.append(table(person, "mood" if column == "how_mood" else "survey_score", start, raw[column], place=column))
    beats = pd.DataFrame({"person": person, "begin": begin, "length": raw["rr_data"].str.split(",")}).explode("length")
    beats["length"] = beats["length"].astype(float)
    at = beats["begin"] + pd.to_timedelta(beats["length"].round().groupby(level=0).cumsum(), unit="ms")
    rows = table(beats["person"], "rr_interval", at.dt.strftime("%Y-%m-%dT%H:%M:%S.%f"), beats["length"])
    rows["refused"] = ~beats["length"].between(200, 3000)
    return same_export(parts + [rows])


WELLTORY_HRV = {"heart_rate": "bpm", "hrv_sdnn": "sdnn", "hrv_rmssd": "rmssd"}


def welltory_sleep(path):
    raw = pd.read_csv(path)
    start, end = (iso(pd.to_datetime(raw[column])) for column in ["sleep_begin", "sleep_end"])
    return table(raw["user_code"], "total_sleep_time", start, raw["sleep_duration"], end=end)


def welltory_days(path):
    raw = pd.read_csv(path)
    start, end = whole_day(pd.to_datetime(raw["day"]))
    spots = {
        "resting_heart_rate": "resting_pulse",
        "heart_rate day": "pulse_average",
        "oxygen_saturation": "average_spo2_value",
        "body_temperature": "body_temperature_avg",
    }
    parts = [table(raw["user_code"], name, raw["day"], raw[column]) for name, column in spots.items()]
    return same_export(parts + [table(raw["user_code"], "step_count", start, raw["steps_count"], end=end)])


def welltory_surveys(path):
    raw = pd.read_csv(path)
    symptom = raw["scale"].str.startswith("S_COVID_") & raw["scale"].ne("S_COVID_SYMPTOMS")
    stream = symptom.map({True: "symptom_severity", False: "survey_score"})
    stream = stream.mask(raw["scale"].eq("S_COVID_PAIN"), "pain_scale_other")
    return table(raw["user_code"], stream, raw["created_at"], raw["value"], place=raw["scale"])


WELLTORY = {
    "blood_pressure.csv": welltory_pressure,
    "hrv_measurements.csv": welltory_hrv,
    "sleep.csv": welltory_sleep,
    "wearables.csv": welltory_days,
    "surveys.csv": welltory_surveys,
}


def welltory(folder):
    return [read(os.path.join(folder, "dev", name)) for name, read in WELLTORY.items()]


# ---- pmdata ------------------------------------------------------------------------------------------------------------


def pm_json(path):
    return json.load(gzip.open(path) if path.endswith(".gz") else open(path))


def pm_sleep(person, path):
    nights, segments = [], []
    for night in pm_json(path):
        nights.append((night["startTime"], night["endTime"], night["minutesAsleep"]))
        for kind in ["data", "shortData"]:
            for part in night["levels"].get(kind, []):
                place = "short" if kind == "shortData" else night["type"]
                segments.append((part["dateTime"], part["seconds"], part["level"], place))
    nights = pd.DataFrame(nights, columns=["start", "end", "minutes"])
    start, end = (iso(pd.to_datetime(nights[column], format="mixed")) for column in ["start", "end"])
    parts = pd.DataFrame(segments, columns=["start", "seconds", "level", "place"])
    parts = parts[parts["level"] != "unknown"].reset_index(drop=True)
    begin = pd.to_datetime(parts["start"], format="mixed")
    finish = iso(begin + pd.to_timedelta(parts["seconds"], unit="s"))
    return same_export(
        [
            table(person, "total_sleep_time", start, nights["minutes"].astype(float), end=end),
            table(person, "sleep_stage", iso(begin), parts["level"], end=finish, place=parts["place"]),
        ]
    )


def pm_steps(person, path):
    raw = pd.DataFrame(pm_json(path))
    start = pd.to_datetime(raw["dateTime"])
    return table(person, "step_count", iso(start), raw["value"].astype(float), end=iso(start + pd.Timedelta(minutes=1)))


def pm_resting(person, path):
    raw = pd.json_normalize(pm_json(path))
    value = raw["value.value"].where(raw["value.date"].notna() & (raw["value.value"] > 0))
    return table(person, "resting_heart_rate", pd.to_datetime(raw["dateTime"]).dt.strftime("%Y-%m-%d"), value)


def pm_minutes(path):
    raw = pd.DataFrame(pm_json(path))
    return pd.Series(raw["value"].astype(float).values, index=pd.to_datetime(raw["dateTime"]))


def pm_over_days(person, stream, minutes):
    start, end = whole_day(minutes.index.to_series().reset_index(drop=True))
    return table(person, stream, start, minutes.reset_index(drop=True), end=end)


def pm_exercise(person, path):
    raw = pd.DataFrame(pm_json(path))
    start = pd.to_datetime(raw["startTime"])
    end = iso(start + pd.to_timedelta(raw["duration"], unit="ms"))
    return table(person, "exercise_session", iso(start), raw["duration"] / 60000, end=end, place=raw["activityName"])


def utc(column):
    return pd.to_datetime(column, format="ISO8601", utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.%f")


def pm_wellness(person, path):
    raw = pd.read_csv(path)
    at = utc(raw["effective_time_frame"])
    given = lambda name: raw[name].where(raw[name] > 0).astype(float)
    parts = [table(person, "survey_score", at, given(name), place=name) for name in ["fatigue", "sleep_quality", "soreness"]]
    parts += [table(person, name, at, given(name)) for name in ["mood", "stress"]]
    parts.append(table(person, "survey_score", at, raw["readiness"].astype(float), place="readiness"))
    parts.append(table(person, "total_sleep_time remembered", at, given("sleep_duration_h")))
    areas = pd.DataFrame({"at": at, "value": given("soreness"), "area": raw["soreness_area"].map(ast.literal_eval)})
    areas = areas.explode("area").dropna(subset=["area"]).reset_index(drop=True)
    parts.append(table(person, "survey_score", areas["at"], areas["value"], place=areas["area"].astype(str)))
    return same_export(parts)


def pm_injury(person, path):
    raw = pd.read_csv(path)
    rows = [
        (at, place, {"minor": 1.0, "major": 2.0}[grade])
        for at, places in zip(utc(raw["effective_time_frame"]), raw["injuries"].map(ast.literal_eval))
        for place, grade in places.items()
    ]
    found = pd.DataFrame(rows, columns=["at", "place", "grade"])
    return table(person, "symptom_severity", found["at"], found["grade"], place=found["place"])


def pm_sessions(person, path):
    raw = pd.read_csv(path)
    end = pd.to_datetime(raw["end_date_time"], format="ISO8601", utc=True)
    start = (end - pd.to_timedelta(raw["duration_min"], unit="min")).dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    end = end.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return same_export(
        [
            table(person, "exercise_session pmsys", start, raw["duration_min"].astype(float), end=end, place=raw["activity_names"]),
            table(person, "survey_score", end, raw["perceived_exertion"].astype(float), place="exertion"),
        ]
    )


def pm_weight(person, path):
    raw = pd.read_csv(path)
    day = pd.to_datetime(raw["date"], format="%d/%m/%Y").dt.strftime("%Y-%m-%d")
    return table(person, "body_weight", day, raw["weight"].astype(float))


PMDATA = [
    ("fitbit/sleep.json*", pm_sleep),
    ("fitbit/steps.json*", pm_steps),
    ("fitbit/resting_heart_rate.json*", pm_resting),
    ("fitbit/sedentary_minutes.json*", lambda person, path: pm_over_days(person, "sedentary_minutes", pm_minutes(path))),
    ("fitbit/exercise.json*", pm_exercise),
    ("pmsys/wellness.csv", pm_wellness),
    ("pmsys/injury.csv", pm_injury),
    ("pmsys/srpe.csv", pm_sessions),
    ("googledocs/reporting.csv", pm_weight),
]


def pmdata(folder):
    parts = []
    for home in sorted(glob.glob(os.path.join(folder, "dev", "p[0-9]*"))):
        person = os.path.basename(home)
        for pattern, read in PMDATA:
            parts += [read(person, path) for path in sorted(glob.glob(os.path.join(home, pattern)))]
        both = [pm_minutes(os.path.join(home, "fitbit", kind + "_active_minutes.json")) for kind in ["moderately", "very"]]
        parts.append(pm_over_days(person, "active_minutes", (both[0] + both[1]).dropna()))
    return parts


# ---- counting --------------------------------------------------------------------------------------------------------


def count(parts):
    rows = pd.concat(parts, ignore_index=True)
    refused = rows["refused"].eq(True) if "refused" in rows else pd.Series(False, index=rows.index)
    by_measure = rows["stream"].str.split(" ").str[0].value_counts().to_dict()
    kept = rows[~refused][COLUMNS]
    key = ["person", "stream", "start", "end", "place"]
    values = kept.drop_duplicates(key + ["value"])
    return {
        "submitted": len(rows),
        "quarantined": int(refused.sum()),
        "distinct_identities": len(kept.drop_duplicates(key)),
        "stored_versions": len(values.drop_duplicates(key + ["export"])),
        "by_measure": by_measure,
    }


def main():
    sets = {"fitbit_furberg2016": fitbit, "myaiguide": myaiguide, "welltory_covid_hrv": welltory, "pmdata": pmdata}
    wanted = sys.argv[2:] or sets
    present = {name: sets[name] for name in wanted if os.path.isdir(os.path.join(sys.argv[1], name))}
    print(json.dumps({name: count(read(os.path.join(sys.argv[1], name))) for name, read in present.items()}, indent=1))


if __name__ == "__main__":
    main()
