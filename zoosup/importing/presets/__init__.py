"""llama.cpp's models.ini, the presets of its router, as short forms.

    options      how an option is spelled there, and the words that say the same on a command line
    models_ini   the file: what its sections share, and each of them as a model

Refuses to know what weights there are.
"""
