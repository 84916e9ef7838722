//! What the fuzz targets share: the naive model of the property tests, machines and records made of a
//! fuzzer's bytes, and a keyspace that runs commands on the core and on the model.

#[path = "../../src/core/tests/model/mod.rs"]
pub mod model;

pub mod adopt;
pub mod documents;
pub mod forge;
pub mod keyspace;
pub mod lives;
pub mod memory;
pub mod models;
pub mod options;
pub mod record;
pub mod steps;
