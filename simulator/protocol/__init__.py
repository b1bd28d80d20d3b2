"""The protocol as SimPy processes, one module per actor.

What happens in one instant (R1)
--------------------------------
The clock counts whole microseconds, so many things happen at exactly the same time, and their order decides
the result. It is part of the protocol, never an accident of the event queue. An instant is worked off in
these phases (`clock.Phase`):

1. FAULT: nodes go off or come back, then other faults, then the operator's actions, as listed.
2. KILL: containers of deleted pods die.
3. STEP: steps that end (a pull, a write, a sleep), in processing order of the nodes.
4. CHECK: `start` reads the v1 Ready flag and, without delay, clears it. It sees every write of its instant;
   of two nodes that check in the same instant only the first in processing order migrates.
5. POLL: reads of flags, and readiness probes, in processing order of the nodes.
6. CONTROLLER: the DaemonSet controller looks at all pods and acts once.
7. ROLLOUT: the rollout status is known.
8. END: the run may stop here.

What follows without delay happens in the same instant: the earliest phase that has something to do is always
next. So a read sees the writes of its instant, the controller sees all probes of its instant, and what the
controller deletes is missed only by later probes. Windows and intervals are [from, until).

Waiting is not polling
----------------------
A loop that asks the same question every few seconds gets the same answer until something changes. Such loops
sleep until the change and then take the first turn of their own grid that can see it; the result is the same
to the microsecond, at a fraction of the events.
"""
