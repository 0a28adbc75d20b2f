@cc@ /nologo /c part.c /Fopart.obj
@ar@ /nologo /out:part-static.lib part.obj
@prefix@nm part-static.lib | grep -F probe_answer
@linker@ /nologo /dll /noentry /nodefaultlib part.obj /out:part.dll /implib:part.lib
@prefix@nm part.lib | grep -F probe_answer
