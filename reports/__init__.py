"""Charts, PDF and the files of a run: they read an Analysis and nothing else.

| module | what it makes |
|---|---|
| `writer` | `write_report`: every file of a run, whole or not at all |
| `summary` | `verdict_lines`: what the command line prints |
| `pdf`, `template.typ` | the typeset report |
| `content` | what it says, as plain data |
| `charts` | one file a chart, frames in, Figure out |
| `view` | which rows of an Analysis stand for a network; the only place that knows their columns |
| `words` | how numbers, dates, states and names are put into words |
| `style` | what all charts share |
"""
