@entry@ sh -c 'echo $$' >inner &
outer=$!
wait "$outer"
if [ "$(tail -n 1 inner)" != "$outer" ]; then
    echo "the entrypoint does not end in exec: signals do not get through to the command"
    exit 1
fi
code=0
@entry@ sh -c 'exit 7' || code=$?
if [ "$code" != 7 ]; then
    echo "a command's exit code 7 becomes $code"
    exit 1
fi
