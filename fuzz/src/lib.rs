//! What the fuzz targets share: the naive model of the property tests, machines and documents that
//! are made of a fuzzer's bytes, and a keyspace that plays commands on the core and on the model.

#[path = "../../src/core/tests/model/mod.rs"]
pub mod model;

pub mod documents;
pub mod forge;
pub mod keyspace;
