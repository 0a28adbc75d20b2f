mkdir -p @folder@
tar -xf "$SOURCES/@file@" -C @folder@ --no-same-owner
test -d @folder@/@name@/usr/include || { echo "@file@ has no @name@/usr/include in it"; exit 1; }
chmod -R u=rwX,go=rX @folder@
