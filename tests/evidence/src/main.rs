//! `cargo run --release -p painwatch-evidence`: measures and writes the tables of docs/evidence.md anew.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;
use painwatch_evidence::burden::{self, Burden};
use painwatch_evidence::{causes, frozen, tables, trial};

/// Measures what the rules find, miss and find wrongly, and writes the tables of docs/evidence.md.
#[derive(Parser)]
struct Args {
    /// Simulated people.
    #[arg(long, default_value_t = 60)]
    people: u32,
    /// Days of each: some rules look back over 90.
    #[arg(long, default_value_t = 98)]
    days: u32,
    /// Another seed than the one that the packs draw: to look at, never to publish.
    #[arg(long)]
    seed: Option<u64>,
    /// Print the tables and leave the page alone.
    #[arg(long)]
    print: bool,
}

const CAUSE_DAYS: u32 = 120;

const OF_SHADOW: &str = "And of the rules that ship in shadow, had they been accepted too:";

/// Between these lines the page is written by this program.
const MARKS: [&str; 2] = ["<!-- measured: begin -->", "<!-- measured: end -->"];

fn main() -> Result<()> {
    let args = Args::parse();
    let measured = measure(&args)?;
    if args.print || args.seed.is_some() {
        print!("{measured}");
        return Ok(());
    }
    let page = page();
    let text = std::fs::read_to_string(&page)?;
    let (before, rest) = text.split_once(MARKS[0]).context("the page's first mark")?;
    let (_, after) = rest.split_once(MARKS[1]).context("the page's last mark")?;
    std::fs::write(&page, format!("{before}{}\n\n{measured}\n{}{after}", MARKS[0], MARKS[1]))?;
    println!("written {}", page.display());
    Ok(())
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/evidence.md")
}

fn measure(args: &Args) -> Result<String> {
    let seed = args.seed.unwrap_or_else(|| frozen::seed(0));
    let trial = trial::run(trial::Size { seed, people: args.people, days: args.days })?;
    let mut text = format!(
        "Packs `{}`, seed {seed}: {} synthetic people, {:.0} patient-weeks, {} readings.\n\n",
        frozen::packs(),
        trial.people,
        trial.patient_weeks,
        trial.readings
    );
    text += &tables::sensitivity(&trial);
    text += &format!(
        "\nWithout an episode that explains them: {:.3} pages and {:.2} inbox items a patient-week.\n\n",
        trial.false_pages_a_week(),
        trial.false_items_a_week()
    );
    text += &tables::rules(&trial.wrong, trial.patient_weeks);
    text += &format!("\n{OF_SHADOW}\n\n{}", tables::of_shadow(&trial.wrong_of_shadow, trial.patient_weeks));
    text += &format!(
        "\n### Why a rule was blind\n\nMinutes of {CAUSE_DAYS} days of one oximeter that something different kept silent each time; one spell in six is \
         explained by nobody.\n\n{}",
        tables::confusion(&causes::run(seed.wrapping_add(2), CAUSE_DAYS)?)
    );
    if let Some(folder) = burden::recordings() {
        text += &recorded(&folder)?;
    }
    Ok(text)
}

fn recorded(folder: &Path) -> Result<String> {
    let mut sets: Vec<(&str, Burden)> = Vec::new();
    let mut all = Burden::default();
    for set in burden::SETS {
        let burden = burden::of_set(folder, set)?;
        all.add(burden.clone());
        sets.push((set.0, burden));
    }
    let weeks = f64::from(all.patient_weeks);
    let (rules, of_shadow) = (tables::rules(&all.rules, weeks), tables::of_shadow(&all.of_shadow, weeks));
    sets.push(("all", all));
    Ok(format!("\n### On the recordings\n\n{}\n{rules}\n{OF_SHADOW}\n\n{of_shadow}", tables::burden(&sets)))
}
