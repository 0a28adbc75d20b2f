# Removes what depends on when and where a step ran: logs, caches, temporary files. No layer keeps it.
exec 2>/dev/null
for folder in /run /tmp /var/cache/apt /var/lib/apt/lists /var/log /var/tmp; do
    find $folder -mindepth 1 -maxdepth 1 ! -path /run/imagefab -exec rm -rf {} +
done
find / -xdev -name __pycache__ -prune -exec rm -rf {} +
find /var/lib/dpkg /var/cache/debconf -name '*-old' ! -type d -delete
find /var/lib/dpkg -name lock ! -type d -delete
rm -f /etc/machine-id /var/lib/dbus/machine-id /var/cache/ldconfig/aux-cache
exit 0
