//! Why a rule was blind: what the ledger says against what the simulator did.
