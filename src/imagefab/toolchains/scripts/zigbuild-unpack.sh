unzip -q -j "$SOURCES/cargo-zigbuild.whl" '*/scripts/cargo-zigbuild' -d /usr/local/bin
chmod 755 /usr/local/bin/cargo-zigbuild
