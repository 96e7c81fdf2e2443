//! What a model is: architecture tables, the model file, weight conversion.
#![forbid(unsafe_code)]
