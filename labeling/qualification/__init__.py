"""Learning and admission: training fields with feedback, test fields without, and admission per class."""
