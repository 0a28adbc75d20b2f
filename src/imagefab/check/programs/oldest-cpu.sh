status=0
@runner@ ./newer >said 2>&1 || status=$?
if [ "$status" != 132 ]; then
    cat said
    echo "what is newer than" @cpu@ "ends with $status here, and not with SIGILL, 132"
    exit 1
fi
QEMU_CPU=@newest@ @runner@ ./newer >said
grep -x 'newer says 42' said
