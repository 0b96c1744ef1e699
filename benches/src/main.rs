//! What painwatch can do, measured. Each bench names its question, its budget and the sum behind the budget; the figures of
//! record stand in `README.md` beside this crate.
//!
//! Never: a durable figure without the file system and its fdatasync beside it.

mod disk;
mod doors;
mod lake;
mod memory;
mod page;
mod system;

use anyhow::Result;
use clap::Parser;

/// Runs the benches and prints one line a figure.
#[derive(Parser)]
struct Cli {
    /// Directory for the engines: its file system is what durable figures depend on.
    #[arg(long, default_value = "target/bench-data")]
    dir: std::path::PathBuf,
    /// disk, doors, page, lake, memory; all when left out.
    only: Vec<String>,
}

fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    std::fs::create_dir_all(&cli.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|only| only == name);
    runtime.block_on(async {
        println!("{}", disk::describe(&cli.dir)?);
        if wanted("doors") {
            doors::run(&cli.dir).await?;
        }
        if wanted("page") {
            page::run(&cli.dir).await?;
        }
        if wanted("lake") {
            lake::run(&cli.dir).await?;
        }
        if wanted("memory") {
            memory::run(&cli.dir).await?;
        }
        Ok(())
    })
}
