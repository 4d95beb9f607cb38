#!/bin/bash
# A sweep over the ranks of one MPI job in a parallel environment of Grid Engine, with tight integration: Grid Engine starts the daemons of
# Open MPI on its hosts, accounts for them and ends them. Submit it as it is, or a copy that your site's rules shape:
#
#   qsub -cwd -j y -notify -r y -pe mpi 32 cluster/sge/mpi.sh infoplane run my.toml --out /shared/results
#
# What follows the script's name is the command that every rank is; `--launcher mpi` is added. The program must have been built with
# `--features mpi`, with the MPI that the hosts have. Names with spaces and quotes are safe: no shell reads them.
set -u

# Environment modules, if your site has them:
# module load openmpi

[ $# -gt 0 ] || { echo "usage: qsub … mpi.sh infoplane run COHORT.toml --out DIR" >&2; exit 2; }

# The warning before a kill (-notify, s_rt) is for the ranks: each leaves a checkpoint and ends. mpirun passes it on.
# A job that lost a host ends within a quarter of a minute, instead of the system's hours. That must be sooner than the ranks miss it
# (INFOPLANE_MPI_TIMEOUT, 30 s): once they have ended, mpirun waits for an answer of the lost host as long as the system's TCP does.
keepalive=(--mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 4)
trap : USR1 USR2 XCPU
mpirun "${keepalive[@]}" -n "${NSLOTS:-1}" "$@" --launcher mpi &
pid=$!
# A signal ends `wait` before mpirun has ended.
while kill -0 $pid 2>/dev/null; do wait $pid; done
wait $pid
code=$?

# 5 is: interrupted, and run again goes on from the checkpoints. 99 lets Grid Engine start the job anew.
[ $code -ne 5 ] || exit 99
exit $code
