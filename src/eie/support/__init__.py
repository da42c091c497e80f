"""What every room may use: whole files, TOML, tables with units, charts as files, a stopwatch, the processor's name."""
