//! Whether a data set can be believed: copies of one picture on both sides of a split, and what else a model could learn
//! instead of the task.

pub mod similar;
