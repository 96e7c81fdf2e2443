//! Metrics, intervals, calibration, heatmaps and the report.
#![forbid(unsafe_code)]
