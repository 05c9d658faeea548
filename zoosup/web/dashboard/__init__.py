"""The dashboard at `/`: one page for whoever runs the box, built for three looks.

    assets       the page's files as they are served: read once, with entity tags and a strict content security policy
    static/      the page itself: HTML, one style sheet, plain ES modules; no build step, nothing from elsewhere

In the page, `main` holds the newest status and has each part draw itself from it; `source` is all that speaks to the
status server, `actions` the only one that changes anything, `dom` and `words` are what the parts share. In `parts/` are
`headline` (is all well?), `pools` with `hour`, `switch` and `models` (why not?), `events`, `timeline` and `logs` (what
happened?), and `chat` (does it answer?).

The page reads what every client may read, and says it in the status' own words. It refuses to know what zoosup should
do: a reason that has no words in the status has none here.
"""
