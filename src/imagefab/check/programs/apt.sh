command -v apt-get >/dev/null || { echo "there is no apt-get"; exit 1; }
if [ -z "$architecture" ]; then architecture=$(dpkg --print-architecture); fi
dpkg --add-architecture "$architecture"
apt-get check
if [ -z "$(apt-get update --print-uris)" ]; then
    echo "apt has no sources to install from"
    exit 1
fi
mkdir -p package/DEBIAN "package$folder"
cat >"package$folder/imagefab-probe.pc" <<'END-OF-FILE'
Name: probe
Description: probe
Version: 42
Libs: -lprobe
END-OF-FILE
cat >package/DEBIAN/control <<END-OF-FILE
Package: imagefab-probe
Version: 1
Architecture: $architecture
Multi-Arch: same
Maintainer: probe <probe@localhost>
Description: probe
END-OF-FILE
dpkg-deb --root-owner-group --build package probe.deb
apt-get install -y --no-install-recommends ./probe.deb
if [ "$(pkg-config --modversion imagefab-probe)" != 42 ]; then
    echo "pkg-config does not find what a package for $architecture brings, in $folder"
    exit 1
fi
