"""What knows no model: errors, the registry of plug-ins, devices, processes, random numbers, files,
the console."""
