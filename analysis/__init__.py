"""Features, regression, forecasting, segments: what the data say before anyone decides."""
