"""What runs Boxwise on a machine: environment, processes and the commands around them (docs/design.md, Processes)."""
