"""The plots of a report, by name: known without loading what draws them.

Loading the statistics and matplotlib takes ten seconds in a fresh process, and minutes on a loaded machine. A request
for a plot that does not exist is answered before that.
"""

SHOWS = {
    "readers": "Seconds per reference cell of each reader in each arm; the numbers are in Results.",
    "phases": "Seconds per reference cell in each phase, arm by arm.",
    "cut_offs": "Ratio of seconds per cell under other idle cut-offs; the numbers stand in the table below.",
    "specifications": "Ratio of seconds per cell under every choice of cut-off, outlier rule and start of the clock.",
    "plane": "Each arm on the plane of time and quality with its region; the numbers are in Beside the result.",
    "learning": "Seconds per reference cell of each field in the order of reading.",
}
