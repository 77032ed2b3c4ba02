"""The same result as a terminal tree, a list or JSON.

A layout (`odfreeze.report.layout`, `odfreeze.report.tree`) makes lines of styled
text once; `odfreeze.report.text` writes them plain, or through rich on a terminal.
"""
