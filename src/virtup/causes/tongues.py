"""Messages in other languages than English: the C library's texts, and libvirt's commonest.

libvirt translates its messages, and the C library the text of an errno; QEMU translates neither.
`in_english` gives a line the words that the causes' patterns are made of. A translation turns the
sentence round, but keeps the name in its quotes, the numbers in their brackets and the errno at
the end: a line whose errno was foreign is told by these, whatever stands between them. Other lines
are told by what nobody translates: an option, an abbreviation, an address, the form of a name.

Sources: the catalogues of messages of glibc 2.x (``strerror``).
"""

from __future__ import annotations

import re
from functools import cache

from virtup.causes.needle import folded, mark

_TEXTS: tuple[tuple[str, str], ...] = (
    (
        "No such file or directory",
        (
            r"datei oder verzeichnis nicht gefunden|no existe el (?:archivo|fichero) o el directorio"
            r"|aucun fichier ou (?:dossier|répertoire) de ce (?:type|nom)"
            r"|ar(?:qui|chi)?vo ou diret[oó]rio (?:n[aã]o encontrado|inexistente)"
            r"|file o directory non esistente|nie ma takiego pliku ani katalogu"
            r"|нет такого файла или каталога|немає такого файл[ау] (?:або|чи) каталогу"
            r"|没有那个文件或目录|沒有此一檔案或目錄|そのようなファイルやディレクトリはありません"
            r"|그런 파일이나 디렉터리가 없(?:습니다|음)|bestand of map bestaat niet"
            r"|filen eller katalogen finns inte|adresář nebo soubor neexistuje"
            r"|böyle bir dosya ya da dizin yok"
        ),
    ),
    (
        "Permission denied",
        (
            r"keine berechtigung|permiso denegado|permission non accord[ée]e|permission refusée"
            r"|permissão (?:negada|recusada)|permissao negada|permesso negato|brak dostępu|отказано в доступе"
            r"|відмовлено у доступі|权限不够|拒絕不符權限的操作|許可がありません|허가 거부(?:됨)?"
            r"|toegang geweigerd|åtkomst nekas|přístup odmítnut|erişim engellendi"
            r"|operace zamítnuta"
        ),
    ),
    (
        "Operation not permitted",
        (
            r"vorgang nicht zulässig|die operation ist nicht erlaubt|operaci[oó]n no permitida"
            r"|opération non permise|operação não permitida|operazione non (?:permessa|consentita)"
            r"|operacja niedozwolona|операция не позволена|不允许的操作|此項操作並不被允許"
            r"|許可されていない操作です|명령을 허용하지 않음"
            r"|operace není povolena|operationen inte tillåten|дію заборонено|operatie niet toegestaan"
        ),
    ),
    (
        "Read-only file system",
        (
            r"das dateisystem ist nur lesbar|sistema de (?:archivos|ficheros) de s[óo]lo lectura"
            r"|système de fichiers accessible en lecture seulement"
            r"|sistema de arquivos somente (?:para )?leitura|file ?system in sola lettura"
            r"|файловая система доступна только для чтения|只读文件系统|唯讀檔案系統"
            r"|読み込み専用ファイルシステムです"
        ),
    ),
    (
        "No such device",
        (
            r"kein passendes gerät(?: gefunden)?|dispositivo inexistente"
            r"|no existe (?:el|tal) dispositivo|aucun périphérique de ce type|dispositivo inesistente"
            r"|nie ma takiego urządzenia|нет такого устройства|没有那个设备|沒有這個裝置"
            r"|そのようなデバイスはありません|그런 장치가 없(?:습니다|음)"
            r"|takové zařízení neexistuje|enheten finns inte|пристрою не знайдено|apparaat bestaat niet"
        ),
    ),
    (
        "Device or resource busy",
        (
            r"das gerät oder die ressource ist belegt|dispositivo o recurso ocupado"
            r"|périphérique ou ressource occupé|dispositivo ou recurso (?:está )?ocupado"
            r"|dispositivo o risorsa occupata|urządzenie lub zasoby zajęte"
            r"|устройство или ресурс занято|设备或资源忙|裝置或系統資源忙碌中"
            r"|デバイス(?:もしくは|または)リソースがビジー状態です|장치나 자원이 동작 중"
        ),
    ),
    (
        "Address already in use",
        (
            r"die adresse wird bereits verwendet|la direcci[oó]n ya se está usando"
            r"|adresse déjà utilisée|endereço já (?:está )?em uso|indirizzo già in uso"
            r"|adres jest już w użyciu|адрес уже используется|地址已(?:在使用|经使用|被使用)"
            r"|位址已在使用|アドレスは(?:既|すで)に使用(?:中です|されています)|주소가 이미 사용 중입니다"
        ),
    ),
    (
        "Cannot allocate memory",
        (
            r"nicht genügend hauptspeicher(?: verfügbar)?|no se pu(?:do|ede) asignar memoria"
            r"|(?:ne peut|impossible d')\s?allouer de la mémoire"
            r"|não (?:é|foi) possível alocar memória|impossibile allocare memoria"
            r"|nie można przydzielić pamięci|(?:невозможно|не удаётся) выделить память"
            r"|(?:无法|不能)分配内存|無法配置記憶體|メモリー?を(?:確保|割り当て(?:ることが)?)できません"
            r"|메모리를 할당할 수 (?:없습니다|없음)"
        ),
    ),
    (
        "Connection refused",
        (
            r"verbindungsaufbau abgelehnt|conexión re(?:husada|chazada)|connexion refusée"
            r"|conexão recusada|connessione rifiutata|połączenie odrzucone|в соединении отказано"
            r"|拒绝连接|连接被拒绝|連線被拒絕|接続を拒否されました|연결이 거부(?:됨|되었습니다)"
            r"|spojení odmítnuto|förbindelsen förvägrad|у з'єднанні відмовлено|verbinding is geweigerd"
        ),
    ),
    (
        "No space left on device",
        (
            r"auf dem gerät ist kein speicherplatz(?: mehr verfügbar)?|no queda espacio en el dispositivo"
            r"|(?:aucun|plus d')\s?espace disponible sur le périphérique"
            r"|não há espaço disponível no dispositivo|spazio esaurito sul device"
            r"|на устройстве не осталось свободного места|нет места на устройстве|设备上没有空间"
            r"|デバイスに空き領域がありません"
        ),
    ),
    (
        "Input/output error",
        (
            r"eingabe-/ausgabefehler|error de entrada/salida|erreur d'entrée/sortie"
            r"|erro de entrada/saída|ошибка ввода/вывода|输入/输出错误|入力/出力エラーです"
        ),
    ),
    (
        "Invalid argument",
        (
            r"das argument ist ungültig|argumento inválido|argument invalide|argomento non valido"
            r"|(?:недопустимый|неверный) аргумент|无效的参数|無効な引数です"
        ),
    ),
    (
        "File exists",
        (
            r"die datei existiert bereits|el (?:fichero|archivo) ya existe|le fichier existe"
            r"|arquivo existe|файл существует|文件已存在|ファイルが存在します"
        ),
    ),
    (
        "Too many levels of symbolic links",
        (
            r"zu viele ebenen (?:aus )?symbolischer links?|demasiados niveles de enlaces simbólicos"
            r"|trop de niveaux de liens symboliques|符号连接的层数过多"
        ),
    ),
    ("Not a directory", r"ist kein verzeichnis|no es un directorio|n'est pas un dossier|不是目录"),
    ("Is a directory", r"ist ein verzeichnis|es un directorio|est un dossier|是一个目录"),
)
_OPEN, _CLOSE = "[\"'`“‘„«»‹「『]\\s?", "\\s?[\"'´”’“»«›」』]"
_NAME = rf"{_OPEN}(?P<name>[^\"'“”‘’„«»「」\n]+?){_CLOSE}"
_NOUNS = (
    (
        "network",
        r"netzwerk|réseau|\bred\b|\brede\b|\brete\b|сет[иь]|мереж\w*|\bsie[ćc]i?\b|síť|nätverk\w*|netwerk|网络|網路|ネットワーク|네트워크",
    ),
    (
        "storage vol",
        (
            r"speicher-?(?:volume|datenträger)|volume de (?:stockage|armazenamento)|volumen de almacenamiento"
            r"|volume di archiviazione|том\w* (?:хранилища|хранения|сховища)|存储卷|ストレージボリューム|스토리지 볼륨|저장소 볼륨|volume di storage|lagringsvolym\w*|wolumin\w*|svazek|úložný|opslag volume|том\w* сховища"
        ),
    ),
    (
        "storage pool",
        (
            r"speicherpool|pool de stockage|(?:grupo|pool) de almacenamiento|pool de armazenamento"
            r"|pool di archiviazione|пул\w* (?:хранения|носителей)|speicher-pool|lagringspool\w*|fond úložiště"
            r"|pul\w+ pamięci|opslag ?pool|буфер\w* даних|存储池|ストレージプール|저장소 풀|스토리지 풀"
        ),
    ),
    (
        "domain",
        r"\bdomain\b|domaine|dominio|domínio|домен\w*|domen\w*|doména|domän\w*|domein|虚拟机|域|ドメイン|도메인",
    ),
)
"""What a connection can lack by its name, and what that is called."""


_NONE = (
    r"(?:\bkein\w*|nicht gefunden|\baucun\w*|\bno (?:hay|existe)\w*|\bning[uú]n\w*|\bnenhum\w*|\bnão (?:existe|há)"
    r"|\bnessun\w*|\bнет\b|没有|沒有|ありません|없음|없습니다|\bbrak\b|žádn\w+|\bing(?:en|et)\b|\bнемає\b|не виявлено"
    r"|\bgeen\b|\bnincs\w*)"
)
_PAST = r"snapshot|schnappschuss|instantánea|снимок|знімок|快照|スナップショット|스냅샷|migawk|snímek|ögonblicks"


def _absent(noun: str, words: str) -> tuple[str, str]:
    """The message that there is no *noun* of a name: a negation, the noun, and the name in quotes."""
    return (
        rf"no {noun} with matching name '\g<name>'",
        (
            rf"^(?![^\n]*(?:{_PAST}|\buuid\b))(?=[^\n]*{_NONE})"
            rf"(?=[^\n]*?{_NAME}[^\n:\"'«»„“「」]*$)[^\n]*?(?:{words})[^\n]*"
        ),
    )


_NOT_ACTIVE = (
    r"(?:nicht aktiv|no está activ\w*|no se encuentra activ\w*|pas acti\w*|não está ativ\w*"
    r"|non è attiv\w*|не актив\w*|не є активн\w*|nie jest aktywn\w*|není aktivní|är inte aktiv\w*"
    r"|is niet actief|未激活|不活跃|未啟用|(?:不|未)处于活动状态|停止状態|동작 ?중이 아|jest nieaktywn\w*|動作していません|活性化되지 않|활성화되지 않|활성 상태가 아"
    r"|(?:アクティブ|有効)ではありません|非アクティブ)"
)
_MESSAGES: tuple[tuple[str, str], ...] = (
    (
        r"network '\g<name>' is not active",
        (
            rf"(?:netzwerk|\bred|réseau|\brede|\brete|сеть|sieć|síť|nätverket|мережа|netwerk|网络|網路|ネットワーク|네트워크)\s?{_NAME}[^\n]{{0,8}}?"
            rf"{_NOT_ACTIVE}"
        ),
    ),
    (
        r"storage pool '\g<name>' is not active",
        (
            rf"(?:speicher-?pool|pool de \w+|(?:grupo|pool) de almacenamiento|pool di \w+|пул\w*|存储池|lagringspool\w*|fond úložiště|pula pamięci \w+|буфер даних|opslag pool"
            rf"|ストレージプール|스토리지 풀|저장소 풀)[^\n'\"«»„“”「」]{{0,20}}?{_NAME}[^\n]{{0,12}}?{_NOT_ACTIVE}"
        ),
    ),
    (
        r"Network is already in use by interface \g<of>",
        (
            r"(?:síť|nätverket|мережа|netwerk|ネットワーク|네트워크)[^\n'\"«»„“「」]{0,40}?"
            r"(?:rozhraním|gränssnittet|інтерфейс\w*|interface|インターフェ[イー]ス|연결장치|인터페이스)"
            r"\W{0,3}(?P<of>[a-z][a-z\d.@_-]+)"
        ),
    ),
    (
        r"Active console session exists for this domain",
        (
            r"^(?=[^\n]*(?:aktiv|activ|ativ|актив|使用中|活跃|활성))"
            r"(?=[^\n]*(?:sitzung|ses+[iã]|сеанс|relac|セッション|会话|세션))"
            r"[^\n'\"«»„“「」]*(?:konsol|konzol|consol|консол|コンソール|控制台|콘솔)[^\n'\"«»„“「」]*$"
        ),
    ),
    *(_absent(noun, words) for noun, words in _NOUNS),
    (
        r"Domain requires KVM, but it is not available: \g<0>",
        (
            r"(?:erfordert|requiere|nécessite|requer|richiede|требует\w*|需要|必要)[^\n]{0,12}\bKVM\b[^\n]*"
            r"|\bKVM\b[^\n]{0,6}(?:erforderlich|が必要)[^\n]*"
        ),
    ),
    (
        r"Unable to find any firmware to satisfy 'efi'",
        (
            r"(?:keine|ningún|aucun|nenhum|nessun|не удалось найти|找不到|見つか)[^\n]{0,60}firmware[^\n]*'efi'[^\n]*"
            r"|firmware[^\n]{0,40}(?:nicht gefunden|gefunden werden)[^\n]*'efi'[^\n]*"
        ),
    ),
    (
        r"Host CPU does not provide required features\g<rest>",
        (
            r"(?:host-cpu|cpu del anfitrión|cpu de l'hôte|cpu do host|CPU хоста|主机 ?CPU|ホスト ?CPU)"
            r"[^\n]*(?:nicht|no |ne |não|не |没有|不|提供していません)[^\n:]*(?P<rest>: [^\n]*)"
        ),
    ),
)
_ERRNO = "|".join(re.escape(text) for text, _ in _TEXTS)
_STRUCTURE: tuple[tuple[str, str], ...] = (
    (
        r"Cannot access backing file '\g<name>' of storage file '\g<of>' (as uid:\g<uid>, gid:?): \g<err>",
        (
            rf"{_NAME}[^\n]*?{_NAME.replace('<name>', '<of>')}[^\n]*?\b\w?id\s?[:：]\s?(?P<uid>\d+)"
            rf"[^\n]*?(?P<err>{_ERRNO})"
        ),
    ),
    (
        r"Cannot access storage file '\g<name>' (as uid:\g<uid>, gid:?): \g<err>",
        rf"{_NAME}[^\n]*?\b\w?id\s?[:：]\s?(?P<uid>\d+)[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Failed to connect socket to '\g<name>': \g<err>",
        rf"{_NAME.replace('+?', '+-sock(?:-ro)?')}[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Cannot get interface MTU on '\g<name>': \g<err>",
        rf"(?=[^\n]*MTU)[^\n]*?{_NAME}[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Unable to create tap device vnet: \g<err>",
        rf"(?:\btap\b|タップ|탭)[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Unable to open /dev/net/tun, is tun module loaded?: \g<err>",
        rf"/dev/net/tun[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Unable to find '\g<name>' binary in $PATH: \g<err>",
        rf"(?=[^\n]*\$PATH)[^\n]*?{_NAME}[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"error creating macvtap interface \g<of>@\g<name> (?): \g<err>",
        rf"(?P<of>macvtap\d+|macvlan\d+)@(?P<name>[\w.-]+)[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Unable to add bridge \g<name> port \g<of>: \g<err>",
        (
            r"\b(?P<name>(?:vir|lxc|docker|ovs)?-?br[\w.-]*|(?:ovs|en|eth|bond)[\w.-]*)\b[^\n]{1,30}?"
            rf"(?P<of>vnet\d+|tap\d+)[^\n]*?(?P<err>{_ERRNO})"
        ),
    ),
    (
        r"Cannot check QEMU binary '\g<name>': \g<err>",
        rf"\bQEMU\b[^\n/]*?'?(?P<name>/[^\s:']*(?:qemu|kvm)[^\s:']*)'?[^\n]*?(?P<err>{_ERRNO})",
    ),
    (
        r"Cannot open file '\g<name>': \g<err>",
        rf"{_NAME.replace('[^', '/[^', 1)}[^\n/]*[:：]\s*(?P<err>{_ERRNO})",
    ),
)
_UUID = r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}"
_NAMES = (_NAME, _NAME.replace("<name>", "<of>"))
_KEPT: tuple[tuple[str, str], ...] = (
    (
        r"bridge name '\g<name>' already in use",
        r"(?:bridge|brücke|puente|pont\b|ponte|мост|міст|网桥|橋接|ブリッジ|브리지|브릿지)[^\n'\"«»„“”「」]{0,20}?"
        + _NAME.replace("[^", "[a-z][^", 1)
        + r"(?![^\n]*:)",
    ),
    (
        r"Emulator '\g<name>' does not support machine type '\g<of>'",
        rf"(?=[^\n]*/\S*(?:qemu|kvm)){_NAMES[0]}[^\n]*?"
        + _NAMES[1].replace("[^", r"(?:pc|q35|virt|pseries|s390-ccw)[^", 1),
    ),
    (
        r"could not find capabilities for \g<of>",
        r"(?P<of>(?:arch=\S+ )?\b(?:domaintype|virttype)=[\w-]+)",
    ),
    (
        r"Domain requires KVM, but it is not available",
        r"KVM[^\n]*BIOS|BIOS[^\n]*KVM",
    ),
    (
        r"Unable to find any firmware to satisfy 'efi'",
        r"^(?![^\n]*nvram)[^'\n]*'efi'[^'\n]*$",
    ),
    (
        r"cannot acquire state change lock (held by \g<of>)",
        r"(?P<of>\b(?:monitor|agent)=\w*[dD]ispatch\w+)",
    ),
    (
        r"Unable to find any usable hugetlbfs mount for \g<of> KiB",
        r"(?=[^\n]*hugetlbfs)[^\n]*?(?P<of>\d+)\b",
    ),
    (
        r"format of backing image '\g<name>' of image '\g<of>' was not specified in the image metadata",
        rf"(?=[^\n]*backing_chains\.html){_NAMES[0]}[^\n]*?{_NAMES[1]}",
    ),
    (
        r"PCI device \g<name> is in use by driver QEMU",
        r"(?=[^\n]*(?<![a-z])QEMU(?![a-z]))[^\n]*?(?<![a-z])PCI(?![a-z])[^\n]*?(?P<name>[\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.\d)",
    ),
    (
        r"Did not find USB device \g<name>",
        r"^(?![^\n]*(?:<address>|(?<![a-z])QEMU(?![a-z])))[^\n]*\bUSB(?![a-z])[^\n]*?(?P<name>\b[\da-f]{4}:[\da-f]{4}(?![a-z\d:]))",
    ),
    (
        r"cannot restore domain '\g<name>' uuid \g<one> from a file which belongs to domain '\g<of>' uuid \g<two>",
        rf"{_NAMES[0]}[^\n]*?(?P<one>{_UUID})[^\n]*?{_NAMES[1]}[^\n]*?(?P<two>{_UUID})",
    ),
    (
        r"target '\g<name>' duplicated for disk sources '\g<of>' and '\g<more>'",
        r"'(?P<name>(?:[shv]|xv)d[a-z]+)'[^\n]*?'(?P<of>/[^'\n]+)'[^\n]*?'(?P<more>/[^'\n]+)'",
    ),
    (
        r"character device \g<of> is not using a PTY",
        r"(?=[^\n]*\bPTY(?![a-z]))[^\n]*?(?P<of>\b(?:serial|console|parallel)\d+)",
    ),
    (r"cannot find character device <null>", r"<null>|\(null\)"),
    (r"'virtiofs' requires shared memory", r"'virtiofs'"),
    (r"Secure boot requires SMM feature enabled", r"(?<![a-z])SMM(?![a-z])(?![^\n]*TSEG)"),
    (
        r"IDE controllers are unsupported for this QEMU binary or machine type",
        r"(?=[^\n]*(?<![a-z])QEMU(?![a-z]))[^\n]*(?<![a-z])IDE(?![a-z])",
    ),
    (
        r"no polkit agent available to authenticate action '\g<of>'",
        r"'(?P<of>org\.libvirt\.\w+\.\w+)'",
    ),
    (r"Security driver model '\g<of>' is not available", r"'(?P<of>selinux|apparmor)'"),
    (
        r"Setting different SELinux label on \g<of> which is already in use",
        r"^(?=[^\n]*\bSELinux(?![a-z]))[^\n]*?(?P<of>/[a-z\d._/+@-]+)(?![^\n]*:)",
    ),
    (
        r"Setting different DAC user or group on \g<of> which is already in use",
        r"^(?=[^\n]*\bDAC(?![a-z]))[^\n]*?(?P<of>/[a-z\d._/+@-]+)(?![^\n]*:)",
    ),
    (
        r"guest CPU doesn't match specification: missing features: \g<of>",
        r"(?<![a-z])CPU(?![a-z])[^\n]*: ?(?P<of>[a-z][\w.-]+(?:, ?[a-z][\w.-]+)+)\s*$",
    ),
)
"""What nobody translates in a message, and the message that it is a part of."""
_MARKS = str.maketrans(
    dict.fromkeys("„“”‚‘’«»‹›「」『』", "'") | {"：": ": ", "，": ", ", "（": " (", "）": ") "}
)
_LETTER = re.compile(r"[^\W\d_]")
_FLAGS = re.IGNORECASE


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, _FLAGS)


def in_english(line: str) -> str:
    """Return *line* with what is known of it in English; itself when there is nothing foreign."""
    if not is_foreign(line):
        return line
    said = line = line.translate(_MARKS)
    for text, words in _TEXTS:
        line = _compiled(words).sub(text, line)
    if line != said:
        return _told(line, _STRUCTURE)
    line = _told(line, _MESSAGES)
    return _told(line, _KEPT) if line == said and _in_letters(line) else line


def is_foreign(text: str) -> bool:
    """May *text* hold a message of a language that is known here?"""
    if _in_letters(text):
        return True
    seen = folded(text)
    return any(True for _, words in (*_TEXTS, *_MESSAGES) for _ in mark(words, _FLAGS).places(seen))


def _in_letters(text: str) -> bool:
    """Are there letters in *text* that English does without?"""
    return not text.isascii() and any(_LETTER.match(one) for one in text if not one.isascii())


def _told(line: str, table: tuple[tuple[str, str], ...]) -> str:
    for text, words in table:
        found = _compiled(words).search(line)
        if found is not None:
            return line[: found.start()] + found.expand(text) + line[found.end() :]
    return line
