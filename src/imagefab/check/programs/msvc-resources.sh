@prefix@rc /FO version.res version.rc
@linker@ /nologo /dll /noentry /nodefaultlib /machine:@machine@ version.res /out:version.dll
@prefix@objdump -h version.dll | grep -F .rsrc
