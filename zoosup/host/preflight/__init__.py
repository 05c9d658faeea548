"""What a start needs, looked at before anything is stopped for it.

    inspector           the adapter: program, directory, weights and port; the first thing amiss
    weight_look         where weights are that are named by their origin, and what the headers of all say
    which               where execvp would find the program
    llama_fit_params    asks llama.cpp itself what a model takes, where its tool is installed

What can't be told for sure passes here, and the spawn finds out. Who reads weights and who knows ports is handed in.
Refuses to decide whether the model may start.
"""
