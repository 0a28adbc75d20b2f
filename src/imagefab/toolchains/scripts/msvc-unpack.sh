mkdir /tmp/sdk
tar -xf "$SOURCES/@file@" -C /tmp/sdk --no-same-owner
cd /tmp/sdk
for needed in @needed@; do
    [ -d $needed ] || { echo "@file@ has no $needed in it, as xwin's splat has"; exit 1; }
done
for folder in crt/lib sdk/lib/ucrt sdk/lib/um; do
    for other in $folder/*; do
        case $other in */@arch@) ;; *) rm -r "$other" ;; esac
    done
done
mkdir -p @optional@
rm -r @folder@
mv /tmp/sdk @folder@
chmod -R u=rwX,go=rX @folder@
