MACOSX_DEPLOYMENT_TARGET=12.3 @cc@ -c part.c -o part.o
otool -l part.o | grep -E '^ *(minos|version) 12\.3'
@cc@ -mmacosx-version-min=13.1 -c part.c -o part.o
otool -l part.o | grep -E '^ *(minos|version) 13\.1'
