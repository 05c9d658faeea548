"""zoo.yaml on disk, and each change of it.

    file_watcher     what is in it now, and the content after each change, once settled
    inotify_hints    says that it may have changed: watches every directory on the way, through symbolic links

Content is the truth, hints only save time. Refuses to know what the text means.
"""
