#!/bin/sh
exec @command@ "$@"
