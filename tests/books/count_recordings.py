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
buckets without a count, stress levels below zero (the vendor's "not measured").

Usage: count_recordings.py DATA_DIR   (the folder that holds fitbit_furberg2016/ and myaiguide/)
"""

import glob
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


# ---- counting --------------------------------------------------------------------------------------------------------


def count(parts):
    rows = pd.concat(parts, ignore_index=True)[COLUMNS]
    key = ["person", "stream", "start", "end", "place"]
    values = rows.drop_duplicates(key + ["value"])
    return {
        "submitted": len(rows),
        "distinct_identities": len(rows.drop_duplicates(key)),
        "stored_versions": len(values.drop_duplicates(key + ["export"])),
    }


def main():
    sets = {"fitbit_furberg2016": fitbit, "myaiguide": myaiguide}
    present = {name: read for name, read in sets.items() if os.path.isdir(os.path.join(sys.argv[1], name))}
    print(json.dumps({name: count(read(os.path.join(sys.argv[1], name))) for name, read in present.items()}, indent=1))


if __name__ == "__main__":
    main()
