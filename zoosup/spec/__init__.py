"""zoo.yaml: what its text may say, and the frozen data that it becomes.

    syntax      YAML with places, templates, units, words; the problems found
    engine      the words of docker run, podman run and nerdctl run
    model       every part of the file as a frozen model: kinds of value, defaults, what an edit of a field costs
    defaults    `defaults` merged into each model
    fragments   a file and those it includes as one text
    parse       text to spec, or every mistake in it; wording says them
    checks      for it: who serves a model, and that names lead somewhere
    changes     which edits replace a process
    lint        what a valid file says that can't work, or hardly
    edit        `active` rewritten, every other byte kept
    schema      the JSON schema, for editors

Pure: no clock, file or log. Refuses to know what a spec leads to.
"""
