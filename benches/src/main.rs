//! What painwatch can do, measured. Each bench names its question, its budget and the sum behind the budget; the figures of
//! record stand in `README.md` beside this crate.
//!
//! Never: a durable figure without the file system and its fdatasync beside it.

mod brokers;
mod disk;
mod doors;
mod idle;
mod lake;
mod memory;
mod page;
mod system;

use anyhow::Result;
use clap::Parser;

/// The program's.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs the benches and prints one line a figure.
#[derive(Parser)]
struct Cli {
    /// Directory for the engines: its file system is what durable figures depend on.
    #[arg(long, default_value = "target/bench-data")]
    dir: std::path::PathBuf,
    /// doors, brokers, idle, page, lake, memory; all when left out.
    only: Vec<String>,
}

/// What a bench starts of this program for itself.
#[derive(Parser)]
enum Part {
    IdleClients(idle::Clients),
    IdleServer(idle::Server),
}

fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if std::env::args().nth(1).is_some_and(|first| first.starts_with("idle-")) {
        return match Part::parse() {
            Part::IdleClients(told) => idle::clients(&told),
            Part::IdleServer(told) => runtime.block_on(idle::server(&told)),
        };
    }
    let cli = Cli::parse();
    std::fs::create_dir_all(&cli.dir)?;
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|only| only == name);
    runtime.block_on(async {
        println!("{}", disk::describe(&cli.dir)?);
        if wanted("doors") {
            doors::run(&cli.dir).await?;
        }
        if wanted("brokers") {
            brokers::run(&cli.dir).await?;
        }
        if wanted("idle") {
            idle::run(&cli.dir)?;
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
