#!/bin/sh
exec @gnu@-@tool@ -specs /usr/lib/@musl@/imagefab.specs@flags@ "$@"
