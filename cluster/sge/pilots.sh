#!/bin/bash
# A pilot of infoplane: one task of an array job. It takes batches of a sweep's tasks from the store, under leases, until none is left.
#
# Rendered by `infoplane run --launcher sge`; the words between @ signs are filled in, each quoted as one word of bash. The copy that was
# given to qsub stands in the store, as .infoplane/sweeps/SWEEP/job-ARRAY.sh. What a pilot asks of Grid Engine stands on the qsub line (see
# `infoplane run --launcher sge --dry-run`), not here.
set -u

store=@STORE@
sweep=@SWEEP@
program=@PROGRAM@
array=@ARRAY@

# A sweep that is gone has ended, or was cancelled, while this waited.
[ ! -d "$store/.infoplane" ] || [ -d "$store/.infoplane/sweeps/$sweep" ] || exit 0

# One log for each pilot, next to the sweep. The program keeps it short.
log=$store/.infoplane/sweeps/$sweep/logs/$array-${SGE_TASK_ID:-1}.log
[ "${SGE_TASK_ID:-1}" != undefined ] || log=$store/.infoplane/sweeps/$sweep/logs/$array-1.log
if ! { : >>"$log"; } 2>/dev/null; then
  # Code 100 puts the job into state Eqw: its node does not see the store, and only a person can mend that.
  echo "infoplane: $(hostname) cannot write $log" >&2
  exit 100
fi
exec >>"$log" 2>&1 </dev/null

# Data sets may be named relative to where the sweep was submitted.
cd @DIRECTORY@ 2>/dev/null || cd /
data=@DATA@
[ -z "$data" ] || export INFOPLANE_DATA=$data

# Environment modules of the site.
modules=(@MODULES@)
if [ ${#modules[@]} -gt 0 ]; then
  type module >/dev/null 2>&1 || for init in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /usr/share/modules/init/bash; do
    [ -r "$init" ] && . "$init" && break
  done
  module load "${modules[@]}" || echo "infoplane: module load ${modules[*]} failed on $(hostname)"
fi

# The program takes the place of this shell, so that a signal of Grid Engine's reaches it.
exec "$program" worker --pilot="$sweep" --array="$array" --out="$store"
