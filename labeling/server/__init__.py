"""What runs Boxwise on a machine: its environment, its processes and the commands around them (docs/design.md, Processes)."""
