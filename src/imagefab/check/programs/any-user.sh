test "$(id -u)" -ge 1000
for folder in /* /.[!.]*; do
    case $folder in
    /proc | /sys | /dev | /run | /tmp | /var | /root | /home | /mnt | /media | /boot | /lost+found) continue ;;
    @mounts@) continue ;;
    esac
    if [ -d "$folder/" ]; then
        find "$folder/" -xdev \( -type f ! -readable -o -type d \( ! -readable -o ! -executable \) \) 2>/dev/null || :
    fi
done | grep -vE \
    '^/etc/(g?shadow-?|(passwd|group)-|\.pwd\.lock|security/opasswd|ssl/private|sudoers.*|polkit-1/.*)$' \
    >unreadable || :
if [ -s unreadable ]; then
    head -n 20 unreadable
    echo "$(wc -l <unreadable) files or folders can't be read by everybody: $(head -n 1 unreadable)"
    exit 1
fi
IFS=:
for folder in $PATH; do
    if [ -d "$folder/" ]; then
        find "$folder/" -xdev -type f -perm /111 ! -executable 2>/dev/null || :
    fi
done >forbidden
if [ -s forbidden ]; then
    head -n 20 forbidden
    echo "$(wc -l <forbidden) programs can't be run by everybody: $(head -n 1 forbidden)"
    exit 1
fi
