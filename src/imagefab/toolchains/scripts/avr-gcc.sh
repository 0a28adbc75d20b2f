#!/bin/sh
for word in "$@"; do
    case $word in
    -mmcu=*) exec avr-@tool@ "$@" ;;
    esac
done
exec avr-@tool@ -mmcu=@mcu@ "$@"
