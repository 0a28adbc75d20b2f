cd /project || exit 1
unset HOME
limit=
if timeout 1 true 2>/dev/null; then limit="timeout -k 5 $LIMIT"; fi
echo started >started
for probe in "$@"; do
    cd "/project/$probe" || continue
    $limit sh -eu "/project/$probe.sh" >"/project/$probe.log" 2>&1 </dev/null
    echo $? >"/project/$probe.code"
done
