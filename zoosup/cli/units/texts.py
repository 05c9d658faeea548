"""The words of the units that `unit` fills in: every setting, and the trap for which it is there.

Knows text only. `<<name>>` is a slot; nothing else in here is special.
"""

HEAD = """\
# Made by zoosup <<version>>: `zoosup unit systemd`. Changes belong in a drop-in, `systemctl edit <<name>>`.
# To be /etc/systemd/system/<<name>>.service; then, as root:
#
#     systemctl daemon-reload && systemctl enable --now <<name>>
#     <<look>>    # as <<who>>
#
# `systemctl stop` stops every model. `systemctl restart`, an upgrade and a crash of zoosup stop none: the next zoosup
# finds them again, the same processes. systemd then says "left-over process": no fault.

[Unit]
Description=zoosup runs what <<file>> says
# Only an order: whatever of these there is comes first. Weights may lie on a remote disk.
After=network-online.target remote-fs.target nvidia-persistenced.service docker.service
Wants=network-online.target
# Never give up: by default five starts within ten seconds are the last.
StartLimitIntervalSec=0
"""

HEAD_OWN = """\
# Made by zoosup <<version>>: `zoosup unit systemd --user`. Changes belong in a drop-in,
# `systemctl --user edit <<name>>`. To be ~/.config/systemd/user/<<name>>.service; then:
#
#     systemctl --user daemon-reload && systemctl --user enable --now <<name>>
#     loginctl enable-linger    # else everything of yours, models too, ends when you log out
#     <<look>>
#
# `systemctl --user stop` stops every model. `systemctl --user restart`, an upgrade and a crash of zoosup stop none: the
# next zoosup finds them again, the same processes. systemd then says "left-over process": no fault.

[Unit]
Description=zoosup runs what <<file>> says
# Never give up: by default five starts within ten seconds are the last.
StartLimitIntervalSec=0
"""

SERVICE = """
[Service]
# Ready means: the file is in force, models of the last zoosup are taken over, the listeners listen. It does not wait
# for models to load; `zoosup wait` does.
Type=notify
NotifyAccess=main
ExecStart=<<start>>
# Waits for the answer, so that `systemctl reload` fails when the file is refused. SIGHUP does the same, unanswered.
ExecReload=<<reload>>

# Relative paths in zoo.yaml mean here what they mean beside it ("-": also when the directory is missing today,
# because zoosup then goes on with the last good file).
WorkingDirectory=-<<directory>>
# Where programs of zoo.yaml are found: the folders on the PATH of whoever made this unit that are not theirs alone, and
# ~/.local/bin, which systemd's own has not.
Environment=<<path>>
# Secrets for ${env.NAME} and settings (ZOOSUP_...), NAME=value a line; need not exist. A unit can be read by anyone.
EnvironmentFile=-%E/zoosup/environment

# SIGTERM goes to zoosup alone, which ends its models one by one, each with its own grace. The default,
# control-group, would kill all models whenever zoosup ends, and cut their grace short.
KillMode=process
# `systemctl restart`, which is how a package manager upgrades, ends zoosup alone: its models go on (systemd 244).
RestartKillSignal=SIGQUIT
# zoosup asks for more time for as long as it is busy ending models, or, at the start, leftovers that the file no
# longer wants. These two only bound a zoosup that no longer says so; killed, it leaves its models to the next one.
TimeoutStartSec=2min
TimeoutStopSec=2min
# A loop that stands still for so long is replaced; models do not notice.
WatchdogSec=30s

Restart=always
RestartSec=1s
# Wrong usage does not heal by trying again. A file that is missing or wrong ends nothing: `zoosup status` says what is
# the matter, and the first good file is taken up (--wait-for-file).
RestartPreventExitStatus=64 78

# The kernel's killing of one model must not stop zoosup and with it the rest; nor is the cgroup to be killed whole.
OOMPolicy=continue
ManagedOOMPreference=avoid

# What models inherit: enough files, threads (vLLM has hundreds per model) and locked memory (--mlock, pinned
# buffers), and no core files, which are as large as a model.
LimitNOFILE=<<files>>:524288
LimitMEMLOCK=infinity
LimitCORE=0
TasksMax=infinity
"""

SYSTEM = """
User=<<user>>
# For a GPU that belongs to a group: SupplementaryGroups=render video

# zoosup goes last when memory runs out; models do not inherit this, it raises theirs to 500.
OOMScoreAdjust=-500

StateDirectory=<<name>>
StateDirectoryMode=0700

# Little more is possible without breaking models. Nearly every sandbox setting implies NoNewPrivileges, and then
# nvidia-modprobe and rootless podman, which are setuid, fail; PrivateDevices hides the GPUs, ProtectHome the weights,
# PrivateTmp what models and clients share, MemoryDenyWriteExecute stops just-in-time compilers.
ProtectSystem=full
"""

FOOT = """
[Install]
WantedBy=<<target>>
"""

SOCKET = """\
# Made by zoosup <<version>>: `zoosup unit systemd-socket<<option>>`. To be <<place>>/<<name>>.socket; then:
#
#     <<manager>> stop <<name>>.service && <<manager>> daemon-reload
#     <<manager>> enable --now <<name>>.socket <<name>>.service
#
# systemd listens in zoosup's place: while zoosup restarts, or is upgraded, clients wait and none is refused. Whoever
# stops zoosup for good stops both units, else the next client starts it again.

[Unit]
Description=the gateway of <<file>>

[Socket]
# What gateway.listen says. Where that changes, make this unit anew.
<<listen>>
BindIPv6Only=ipv6-only
Backlog=1024

[Install]
WantedBy=sockets.target
"""

LAUNCHD_OWN = """\
<!-- Made by zoosup <<version>>: `zoosup unit launchd` for one user.
     To be ~/Library/LaunchAgents/<<name>>.plist; then:
         launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/<<name>>.plist
         launchctl bootout gui/$(id -u)/<<name>>          (stops every model)
     It runs while you are logged in. For a Mac that nobody logs in to, make one without the user option.
"""

LAUNCHD_SYSTEM = """\
<!-- Made by zoosup <<version>>: `zoosup unit launchd`.
     To be /Library/LaunchDaemons/<<name>>.plist, owned by root, mode 0644; then, as root:
         launchctl bootstrap system /Library/LaunchDaemons/<<name>>.plist
         launchctl bootout system/<<name>>          (stops every model)
"""

LAUNCHD_TRAPS = """\
     KeepAlive: launchd starts zoosup again whenever it ends, at most every ten seconds.
     AbandonProcessGroup: else what is left in zoosup's process group is killed when zoosup ends; the next one takes
         the models over.
     ExitTimeOut: within these seconds zoosup ends its models, each with its grace; the default would be 20. Where a
         grace is longer, so must this be.
     ProcessType: launchd throttles CPU and disk of any other, and the models inherit that.
     SoftResourceLimits: the default of open files would be 256.
     EnvironmentVariables: PATH is that of whoever made this; launchd's own has no /opt/homebrew/bin. -->"""
