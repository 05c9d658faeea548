"""A run as a whole: a process tree, a container, or both. What the runtime asks of `Processes`, it asks here.

    runs             the adapter: process runs go to `host.process` as they are, those with a container are tied to it
    tie              which container a run has, in which engine, and what is kept of that on disk
    engines          which engine a launch means, by its own API or by the words of its client
    container_start  made, started and labelled, and an engine's refusal in its own words
    container_end    the way down: ask, wait, kill, by the engine; then whoever is left, by `host.process`; then remove
    follow           what goes on beside one that runs: its id is learned, its log copied, its end awaited
    takeover         containers of an earlier zoosup: which run on, and what is left of the others
    exits            how a container has ended, told as an exit
    images           whether an image is there, and pulling it, before anything is stopped for it
    preflight        what a start needs besides files and a port: an engine that answers, an image

Members are found by `host.process`, by the container's id in their cgroup's path; where no process of it can be seen
(zoosup itself in a container, an engine elsewhere) the engine alone is asked. Unknown is never gone: where the engine
can't say that a container has ended, its run hasn't.
"""
