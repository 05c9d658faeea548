"""zoo.yaml on disk, and each change of it.

    file_watcher     what is in it now, and the content after each change, once settled
    text_file        one file as text, or in words why there is none
    fragments        the files that it includes, read into one text with it
    inotify_hints    says that it may have changed: watches every directory on the way, through symbolic links

Content is the truth, hints only save time. Refuses to know what the text means.
"""
