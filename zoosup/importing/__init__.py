"""Other programs' files as a zoo.yaml: lenient in what is read, strict in what is written, and nothing lost in silence.

    source        YAML text as nodes with their lines, duplicate keys and all
    report        what could not be carried over, each with its file and line
    draft         the zoo.yaml that comes about
    words         command lines: split, ports and hosts turned inward, what can't be estimated; containers
    names         names that zoo.yaml takes
    llama_swap    a folder of its own: macros, models, the whole file
    eternal_zoo   its YAML, and its folder of metadata
    presets       llama.cpp's models.ini
    first_file    no file at all: the host itself, for who begins
    measured      what models were seen to hold, in place of guesses
    writer        the draft as commented text
    checked       the same as `zoosup check` passes it: what it refuses after all becomes a comment

Pure: texts in, text out. Refuses to know where files lie and what the host has; both are handed in.
"""
