mkdir /tmp/gcc
cd /tmp/gcc
tar xf "$SOURCES/gcc.tar"
ln -s gthr-posix.h libgcc/gthr-default.h
mkdir build
cd build
../libstdc++-v3/configure --build="$(gcc -dumpmachine)" --host=@musl@ --prefix=/usr --libdir=/usr/lib/@musl@ \
    --with-gxx-include-dir=/usr/include/@musl@/c++ \
    --disable-multilib --disable-nls --disable-libstdcxx-pch --disable-shared \
    CC=@musl@-gcc CXX="@musl@-g++ -nostdinc++" CFLAGS="-O2 -fPIC" CXXFLAGS="-O2 -fPIC" >configure.log 2>&1 ||
    { tail -n 40 configure.log; exit 1; }
make -j "$(nproc)" >make.log 2>&1 || { tail -n 40 make.log; exit 1; }
make -C include install >install.log
make -C libsupc++ install-bitsHEADERS install-stdHEADERS >>install.log
install -m 644 src/.libs/libstdc++.a libsupc++/.libs/libsupc++.a /usr/lib/@musl@
mkdir /usr/share/doc/libstdc++-@musl@
cat ../COPYING.RUNTIME ../COPYING3 >/usr/share/doc/libstdc++-@musl@/copyright
ln -s @musl@-g++ /usr/local/bin/@musl@-c++
