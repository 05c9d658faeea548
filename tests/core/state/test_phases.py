"""The words of the status, of events and of exit codes' reasons: who reads them elsewhere counts on each."""

import pytest

from zoosup.core.state.phases import Cause, ConditionType, ExitReason, Override, Phase, Reason

WORDS = {
    Phase: "stopped pending starting ready parking parked unready draining stopping backoff failed",
    Reason: """Checking WaitingForMemory MemoryUnknown CoolingDown WaitingForEviction ExceedsBudget GpuMissing
        PortInUse WaitingForTurn WaitingForHosts BackOff NotExecutable FileMissing EngineUnreachable PullingImage
        FetchingWeights ImageMissing CrashLoop Exited OOM RolledBack NotWanted StoppedByHand Unloaded Shutdown
        InternalError""",
    ExitReason: """Completed Error Signaled OOMKilled StartupDeadline LivenessFailed NotExecutable PortInUse""",
    Cause: """NotWanted StoppedByHand RestartedByHand Unloaded SpecChanged MadeRoom Idle MemoryPressure Shutdown
        Crashed StartupDeadline LivenessFailed HostLost""",
    ConditionType: """Admitted Current MemoryCounted WithinEstimate OnGivenGpus TerminationStuck OutputKept
        SessionsKept InternalError Switched WithinBudget GpusReadable MemoryPressure StateWritable FileInForce
        GatewayListening StatusListening FleetConnected FleetPartitioned FleetFileOld FleetLeft""",
    Override: "start stop unload",
}


@pytest.mark.parametrize("kind", WORDS)
def test_no_word_changes_unnoticed(kind):
    assert WORDS[kind].split() == [each.value for each in kind]
