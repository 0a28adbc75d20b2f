mkdir /tmp/ndk
prebuilt='android-ndk-*/toolchains/llvm/prebuilt/linux-x86_64'
unzip -q "$SOURCES/@file@" 'android-ndk-*/source.properties' 'android-ndk-*/NOTICE*' \
    "$prebuilt/sysroot/usr/include/*" "$prebuilt/sysroot/usr/lib/@gnu@/*" \
    "$prebuilt/lib*/clang/*/lib/linux/@runtimes@/*" \
    "$prebuilt/lib*/clang/*/lib/linux/libclang_rt.*-@name@-android*" -d /tmp/ndk
cd /tmp/ndk/android-ndk-*
mv source.properties NOTICE* @folder@
cd toolchains/llvm/prebuilt/linux-x86_64
for other in sysroot/usr/include/*-linux-android*; do
    case $other in */@gnu@) ;; *) rm -r "$other" ;; esac
done
if ! [ -d sysroot/usr/lib/@gnu@/@api@ ]; then
    echo "@file@ has no API level @api@ for @gnu@; it has" $(cd sysroot/usr/lib/@gnu@ && ls -d [0-9]*)
    exit 1
fi
rmdir @folder@/sysroot @folder@/clang/lib/linux
mv sysroot @folder@
mv lib*/clang/*/lib/linux @folder@/clang/lib
cd /
rm -r /tmp/ndk
chmod -R u=rwX,go=rX @folder@
