"""Random faults under load, for as long as one wants: `make soak SECONDS=600 SEED=7`.

    schedule   which faults come when: from the seed alone
    stage      the processes: two API servers on one Redis and one nats-server, scheduler, controllers, kubelets
    faults     carries a schedule out
    pods       Deployments and bare pods that come and go, as the seed says
    tape       the stream as it was read all along, also what a robbed disk has lost since
    judge      everything that must hold, at the end of each round
    report     what is kept on disk when something did not
    rounds     one round: load and faults, then rest, then judgement

Each round has its own writers, registers and pods; watchers and subscribers go on from round to round. The seed decides
the faults and what each client chooses to do; how these fall together is up to the machine.
"""
