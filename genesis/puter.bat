@echo off
rem Starts AURA on Windows 11: looks whether WSL 2 is there and hands over to genesis/puter.sh in it, which does the
rem rest and gets the same arguments. Then two windows open: what AURA says while it works, and a prompt to talk to it.
rem Nothing here turns the folder into a Linux path: `wsl --cd` takes a Windows path as it is.
rem Exit status: that of puter.sh, or 3 if something needed is missing.

setlocal EnableExtensions DisableDelayedExpansion
set "status=3"
rem A folder that ended with a backslash would take the quote after it along; with two dots it does not.
set "folder=%~dp0.."
set "distribution="

rem Of wsl.exe only exit codes are read: its words are UTF-16 and in the user's language. Some of these are negative.
wsl.exe --status <nul >nul 2>&1
if not "%errorlevel%"=="0" goto no_wsl
if not "%folder:~0,2%"=="\\" goto chosen
rem Started from \\wsl.localhost\Ubuntu\home\...: that distribution has the files, and no other sees them.
for /f "tokens=1 delims=\" %%a in ("%folder%") do set "share=%%a"
for /f "tokens=2 delims=\" %%a in ("%folder%") do set "name=%%a"
if /i "%share%"=="wsl.localhost" set "distribution=-d %name%"
if /i "%share%"=="wsl$" set "distribution=-d %name%"
if "%distribution%"=="" goto network_share

:chosen
wsl.exe %distribution% -e bash -c "exit 0" <nul >nul 2>&1
if not "%errorlevel%"=="0" goto no_distribution
rem The kernel of WSL 1 calls itself 4.4.0-19041-Microsoft, that of WSL 2 5.15.90.1-microsoft-standard-WSL2.
wsl.exe %distribution% -e grep -q -e -Microsoft /proc/sys/kernel/osrelease <nul >nul 2>&1
if "%errorlevel%"=="0" goto version_one
wsl.exe %distribution% --cd "%folder%" -e test -f genesis/puter.sh <nul >nul 2>&1
if not "%errorlevel%"=="0" goto unseen

wsl.exe %distribution% --cd "%folder%" -e bash genesis/puter.sh %*
set "status=%errorlevel%"
if not "%status%"=="0" goto failed

rem There is something to look at unless another command was given, or help asked for.
:words
set "word=%~1"
if "%word%"=="" goto windows
if "%word%"=="--help" goto done
if not "%word%"=="up" if not "%word:~0,2%"=="--" goto done
shift
goto words

:windows
start "AURA monologue" wsl.exe %distribution% --cd "%folder%" -e bash genesis/puter.sh monologue
start "AURA client" wsl.exe %distribution% --cd "%folder%" -e bash genesis/puter.sh client
goto done

:no_wsl
echo The Windows Subsystem for Linux is not installed, or does not start.
echo Open PowerShell as administrator, run: wsl --install   then restart Windows and run this again.
goto failed

:no_distribution
echo WSL has no Linux distribution that can be used.
echo In PowerShell: wsl --install -d Ubuntu   then: wsl --set-default Ubuntu   and run this again.
goto failed

:version_one
echo The Linux distribution runs under WSL 1, which has no Linux kernel.
echo In PowerShell: wsl --list --verbose   then: wsl --set-version NAME 2   and run this again.
goto failed

:network_share
echo This folder is on a network share, which WSL does not see.
echo Copy it to a drive of this computer, or better: clone it inside WSL. Then run puter.bat there.
goto failed

:unseen
echo WSL cannot see the folder of this file. Drives of the network and encrypted ones are not mounted there.
echo Copy it to a drive of this computer, or better: clone it inside WSL. Then run puter.bat there.
goto failed

:failed
rem The Explorer ends its command line with a blank and a quote. Its window would close before anybody has read this.
set "line=%cmdcmdline:"=%"
if "%line:~-1%"==" " pause

:done
exit /b %status%
