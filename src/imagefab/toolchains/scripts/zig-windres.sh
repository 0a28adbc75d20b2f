#!/bin/sh
# windres, with Zig's resource compiler.
@cache@input='' output='' format=coff
count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    case $word in
    --*=*)
        value=${word#*=}
        word=${word%%=*}
        ;;
    -[IDUOJF]?* | -[iolc]?*)
        value=${word#??}
        word=${word%"$value"}
        ;;
    -[IDUOJFiolc] | --input | --output | --input-format | --output-format | --target | --include-dir | --define |         --undefine | --language | --codepage)
        [ "$count" -gt 0 ] || {
            echo "zig-windres: $word needs a value" >&2
            exit 1
        }
        value=$1
        shift
        count=$((count - 1))
        ;;
    esac
    case $word in
    -i | --input) input=$value ;;
    -o | --output) output=$value ;;
    -O | --output-format) format=$value ;;
    -J | --input-format) set -- "$@" /:input-format "$value" ;;
    -I | --include-dir) set -- "$@" /i "$value" ;;
    -D | --define) set -- "$@" /d "$value" ;;
    -U | --undefine) set -- "$@" /u "$value" ;;
    -l | --language) set -- "$@" /l "${value#0x}" ;;
    -c | --codepage) set -- "$@" /c "$value" ;;
    -F | --target | -v | --verbose | --use-temp-file | --no-use-temp-file) ;;
    -*)
        echo "zig-windres: it does not know $word" >&2
        exit 1
        ;;
    *)
        if [ -z "$input" ]; then input=$word; else output=$word; fi
        ;;
    esac
done
if [ -z "$input" ] || [ -z "$output" ]; then
    echo "usage: zig-windres [OPTION...] INPUT OUTPUT" >&2
    exit 1
fi
exec @zig@/zig rc /:auto-includes gnu /:target @arch@ /:output-format "$format" "$@" -- "$input" "$output"
