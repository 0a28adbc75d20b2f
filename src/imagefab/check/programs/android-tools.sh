@ar@ rcs libpart.a part.o
@prefix@nm libpart.a | grep -F probe_answer
@cc@ -shared -nostdlib part.o -o libpart.so
@prefix@strip libpart.so
@prefix@readelf --dyn-symbols libpart.so | grep -F probe_answer
