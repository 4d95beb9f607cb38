#!/bin/bash
# infoplane over MPI inside a parallel environment of Grid Engine. Copy it, set the lines below, and
#
#   qsub cluster/sge/mpi.sh my.toml /shared/results
#
# Open MPI that was built with Grid Engine support takes hosts and slots from the parallel environment and starts its daemons through
# Grid Engine (tight integration): `qdel` and h_rt reach every rank, and `qacct` counts all of them. The environment must have
# `control_slaves TRUE` (`qconf -sp mpi` shows it). The program must be built with `--features mpi`.
#$ -S /bin/bash
#$ -N infoplane-mpi
#$ -pe mpi 32
#$ -cwd
#$ -j y
#$ -r y
#$ -l h_rt=12:00:00
# Warned before its time is over, so that trainings leave checkpoints:
#$ -notify
#
# Where your site has environment modules:
# module load openmpi

cohort=${1:?"usage: qsub mpi.sh COHORT.toml RESULTS"}
results=${2:?"usage: qsub mpi.sh COHORT.toml RESULTS"}
# Signals of -notify go to mpirun, which passes them on to the ranks; this shell must outlive them.
trap : USR1 USR2 XCPU
mpirun -n "${NSLOTS:-1}" "${INFOPLANE:-infoplane}" run "$cohort" --launcher mpi --out "$results"
code=$?
# 5: stopped before the end, and resumable. 99 asks Grid Engine to start the job again.
[ $code -ne 5 ] || exit 99
exit $code
