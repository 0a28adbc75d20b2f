if @objdump@ -p @program@ | grep -iE 'DLL Name: *lib'; then
    echo "@program@ is not static: it needs a DLL of the compiler's"
    exit 1
fi
